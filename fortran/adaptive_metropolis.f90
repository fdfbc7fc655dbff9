!> Adaptive Metropolis (Haario et al. 2001) for several chains that learn one proposal covariance together.
!>
!> The covariance and the step size are adapted during warm-up and then fixed, so the draws kept form an
!> ordinary Markov chain whose stationary density is the target.
module adaptive_metropolis
   use kinds, only: dp
   use random_numbers, only: generator
   use running_covariance, only: cholesky_factor, moments
   use target_density, only: density
   implicit none (type, external)
   private

   public :: sample_adaptive_metropolis

   !> Acceptance that makes a random walk in many dimensions most efficient (Roberts et al. 1997).
   real(dp), parameter :: best_acceptance = 0.234_dp
   !> Standard deviation of the first proposals, in every coordinate.
   real(dp), parameter :: first_step = 0.02_dp
   !> Steps of warming up between two looks at the covariance.
   integer, parameter :: steps_per_look = 50

contains

   !> Warm up, then keep every `thinning`-th state of each chain.
   !>
   !> `points` holds the starting points on entry and the last states on return; `acceptance` is the share of
   !> proposals accepted after warming up.
   subroutine sample_adaptive_metropolis(target, streams, n_warmup, thinning, points, draws, costs, acceptance)
      class(density), intent(inout) :: target
      type(generator), intent(inout) :: streams(:)
      integer, intent(in) :: n_warmup, thinning
      real(dp), intent(inout) :: points(:, :)      !< (dimension, chain)
      real(dp), intent(out) :: draws(:, :, :)      !< (dimension, draw, chain)
      real(dp), intent(out) :: costs(:, :)         !< (draw, chain)
      real(dp), intent(out) :: acceptance(:)       !< (chain)
      type(moments) :: history
      real(dp) :: factor(size(points, 1), size(points, 1)), cost(size(points, 2)), log_scale
      logical :: accepted(size(points, 2))
      integer :: step, draw

      call target%evaluate(points, cost)
      call diagonal(first_step, factor)
      call history%clear(size(points, 1))
      log_scale = 0.0_dp
      do step = 1, n_warmup
         call advance(target, streams, exp(log_scale)*factor, points, cost, accepted)
         log_scale = log_scale + (share(accepted) - best_acceptance)/sqrt(real(step, dp))
         call learn(history, points, step, n_warmup, factor)
      end do
      factor = exp(log_scale)*factor
      acceptance = 0.0_dp
      do draw = 1, size(draws, 2)
         do step = 1, thinning
            call advance(target, streams, factor, points, cost, accepted)
            acceptance = acceptance + merge(1.0_dp, 0.0_dp, accepted)
         end do
         draws(:, draw, :) = points
         costs(draw, :) = cost
      end do
      acceptance = acceptance/real(max(1, thinning*size(draws, 2)), dp)
   end subroutine sample_adaptive_metropolis

   !> One Metropolis step of each chain. Proposals outside the unit cube have no density and are rejected.
   subroutine advance(target, streams, factor, points, cost, accepted)
      class(density), intent(inout) :: target
      type(generator), intent(inout) :: streams(:)
      real(dp), intent(in) :: factor(:, :)
      real(dp), intent(inout) :: points(:, :), cost(:)
      logical, intent(out) :: accepted(:)
      real(dp) :: proposal(size(points, 1), size(points, 2)), proposed_cost(size(cost)), threshold
      integer :: chain

      do chain = 1, size(cost)
         call propose(streams(chain), factor, points(:, chain), proposal(:, chain))
         accepted(chain) = all(proposal(:, chain) > 0.0_dp .and. proposal(:, chain) < 1.0_dp)
         if (.not. accepted(chain)) proposal(:, chain) = points(:, chain)
      end do
      call target%evaluate(proposal, proposed_cost)
      do chain = 1, size(cost)
         call streams(chain)%exponential(threshold)
         accepted(chain) = accepted(chain) .and. proposed_cost(chain) - cost(chain) < threshold
         if (.not. accepted(chain)) cycle
         points(:, chain) = proposal(:, chain)
         cost(chain) = proposed_cost(chain)
      end do
   end subroutine advance

   subroutine propose(stream, factor, from, proposal)
      type(generator), intent(inout) :: stream
      real(dp), intent(in) :: factor(:, :), from(:)
      real(dp), intent(out) :: proposal(:)
      real(dp) :: deviate
      integer :: j

      proposal = from
      do j = 1, size(from)
         call stream%normal(deviate)
         proposal(j:) = proposal(j:) + factor(j:, j)*deviate
      end do
   end subroutine propose

   !> Add the states to the history; look at its covariance now and then. The first third of warming up is
   !> forgotten: it is the way to where the density lies.
   subroutine learn(history, points, step, n_warmup, factor)
      type(moments), intent(inout) :: history
      real(dp), intent(in) :: points(:, :)
      integer, intent(in) :: step, n_warmup
      real(dp), intent(inout) :: factor(:, :)
      real(dp) :: per_dimension, floor(size(points, 1), size(points, 1))
      integer :: chain

      if (step == n_warmup/3) call history%clear(size(points, 1))
      do chain = 1, size(points, 2)
         call history%add(points(:, chain))
      end do
      if (modulo(step, steps_per_look) /= 0 .or. history%count < 10*size(points, 1)) return
      per_dimension = 2.38_dp**2/real(size(points, 1), dp)
      call diagonal(1.0e-8_dp, floor)
      call cholesky_factor(per_dimension*history%covariance() + floor, factor)
   end subroutine learn

   pure subroutine diagonal(value, matrix)
      real(dp), intent(in) :: value
      real(dp), intent(out) :: matrix(:, :)
      integer :: j

      matrix = 0.0_dp
      do j = 1, size(matrix, 1)
         matrix(j, j) = value
      end do
   end subroutine diagonal

   pure function share(accepted)
      logical, intent(in) :: accepted(:)
      real(dp) :: share

      share = real(count(accepted), dp)/real(size(accepted), dp)
   end function share

end module adaptive_metropolis
