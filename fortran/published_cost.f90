!> The cost of the published assimilation (PRODA, cost_fun.m): weighted squared errors relative to the
!> observations, C = sum_i w_i (m_i - o_i)**2 / (2 (0.6 o_i)**2).
module published_cost
   use, intrinsic :: ieee_arithmetic, only: ieee_is_nan
   use kinds, only: dp
   implicit none (type, external)
   private

   public :: layer_weights, weighted_cost, weighted_cost_gradient

   !> Standard error of an observation, as a share of it.
   real(dp), parameter :: relative_error = 0.6_dp
   real(dp), parameter :: largest_weight = 10.0_dp
   real(dp), parameter :: smallest_weight = 1.0_dp

contains

   !> Weights that favour observations far from the profile's mean carbon and mean depth.
   pure function layer_weights(observed, depth) result(weights)
      real(dp), intent(in) :: observed(:)
      real(dp), intent(in) :: depth(:)
      real(dp) :: weights(size(observed))
      real(dp) :: rank(size(observed))
      real(dp) :: n

      n = real(size(observed), dp)
      rank = 0.5_dp*(descending_rank(abs(observed - sum(observed)/n)) + descending_rank(abs(depth - sum(depth)/n)))
      weights = max(smallest_weight, largest_weight*exp(-(rank - 1.0_dp)))
   end function layer_weights

   !> Rank of each value, 1 for the largest; of equal values the earlier comes first.
   pure function descending_rank(values) result(rank)
      real(dp), intent(in) :: values(:)
      real(dp) :: rank(size(values))
      integer :: i

      do i = 1, size(values)
         rank(i) = real(1 + count(values > values(i)) + count(values(:i - 1) == values(i)), dp)
      end do
   end function descending_rank

   !> The cost; a term that is not a number (carbon so small that its square is zero) does not count.
   pure function weighted_cost(modelled, observed, weights) result(cost)
      real(dp), intent(in) :: modelled(:), observed(:), weights(:)
      real(dp) :: cost
      real(dp) :: term(size(observed))

      term = weights*((modelled - observed)**2/(2.0_dp*(relative_error*observed)**2))
      cost = sum(term, mask=.not. ieee_is_nan(term))
   end function weighted_cost

   !> Derivative of the cost by each modelled value.
   pure function weighted_cost_gradient(modelled, observed, weights) result(gradient)
      real(dp), intent(in) :: modelled(:), observed(:), weights(:)
      real(dp) :: gradient(size(modelled))

      gradient = weights*(modelled - observed)/(relative_error*observed)**2
   end function weighted_cost_gradient

end module published_cost
