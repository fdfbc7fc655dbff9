!> From flat arrays to the posterior of a site and the random streams of its chains.
module site_sampling
   use, intrinsic :: iso_fortran_env, only: int64
   use kinds, only: dp, i4
   use random_numbers, only: generator
   use profile_likelihood, only: log_profile, new_published_profile
   use site_density, only: site_posterior
   implicit none (type, external)
   private

   public :: site_target, seeded_streams

   !> Code of the published likelihood; any other stands for errors of ln(SOC).
   integer, parameter :: form_published = 0

contains

   !> The posterior of a site. Of the two forms of likelihood only the arrays of the chosen one are read.
   pure function site_target(climate, exchange, input, lower, upper, prior, form, depth, observed, weights, layers, &
                             whitening, degrees_of_freedom) result(posterior)
      real(dp), intent(in) :: climate(:, :, :), exchange(:, :), input(:), lower(:), upper(:)
      real(dp), intent(in) :: prior(:, :)   !< (parameter, 2): centre and precision in the unit cube
      integer, intent(in) :: form
      real(dp), intent(in) :: depth(:), observed(:), weights(:)
      real(dp), intent(in) :: layers(:, :), whitening(:, :), degrees_of_freedom
      type(site_posterior) :: posterior

      posterior%n_dimensions = size(lower)
      posterior%climate = climate
      posterior%exchange = exchange
      posterior%input = input
      posterior%lower = lower
      posterior%width = upper - lower
      posterior%prior_centre = prior(:, 1)
      posterior%prior_precision = prior(:, 2)
      if (form == form_published) then
         allocate (posterior%observations, source=new_published_profile(depth, observed, weights))
      else
         allocate (posterior%observations, source=log_profile(layers, observed, whitening, degrees_of_freedom))
      end if
   end function site_target

   !> One stream a chain from 256 random bits each, given as eight 32-bit words.
   pure function seeded_streams(words) result(streams)
      integer(i4), intent(in) :: words(:, :)
      type(generator) :: streams(size(words, 2))
      integer :: chain

      do chain = 1, size(words, 2)
         call streams(chain)%seed(transfer(words(:, chain), [0_int64]))
      end do
   end function seeded_streams

end module site_sampling
